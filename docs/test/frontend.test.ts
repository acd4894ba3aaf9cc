// @vitest-environment happy-dom
import { act, createElement, StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { writable } from 'svelte/store'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { effectScope, nextTick, ref } from 'vue'
import { createSearch } from '../temp/search-svelte.ts'
import { useSearch as useSearchInVue } from '../temp/search-vue.ts'
import { useSearch } from '../temp/use-search.ts'

beforeEach(() => {
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true)
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
})
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
  vi.unstubAllGlobals()
})
const later = () => vi.advanceTimersByTimeAsync(100)

it('shows the last answer in React, and cancels when it is unmounted', async () => {
  const shown: string[] = []
  const Search = ({ query }: { query: string }) => {
    const { hits } = useSearch(query)
    shown.push(hits.join())
    return null
  }
  const root = createRoot(document.body)
  const render = (query: string) =>
    act(async () => root.render(createElement(StrictMode, null, createElement(Search, { query }))))
  const pass = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms))
  await render('a')
  await pass(7)
  await render('b')
  await pass(8) // an answer to the first would come now
  await pass(7)
  expect(new Set(shown)).toEqual(new Set(['', 'banana']))
  await render('c')
  await act(async () => root.unmount())
  await later()
  expect(shown.at(-1)).toBe('banana')
})

it('shows the last answer in Vue, and cancels when its scope ends', async () => {
  const query = ref('a')
  const scope = effectScope()
  const found = scope.run(() => useSearchInVue(query))
  query.value = 'ap'
  await nextTick()
  query.value = 'b'
  await later()
  expect([found?.hits.value, found?.error.value]).toEqual([['banana'], undefined])
  query.value = 'c'
  await nextTick()
  scope.stop()
  await later()
  expect([found?.hits.value, found?.error.value]).toEqual([['banana'], undefined])
})

it('shows the last answer in Svelte, and cancels when nobody looks', async () => {
  const query = writable('a')
  const shown: string[] = []
  const stop = createSearch(query).subscribe(({ hits }) => shown.push(hits.join()))
  query.set('ap')
  query.set('b')
  await later()
  query.set('c')
  stop()
  await later()
  expect(shown).toEqual(['', 'banana'])
})
