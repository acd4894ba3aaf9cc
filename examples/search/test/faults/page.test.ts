import { fileURLToPath } from 'node:url'
import { type Browser, chromium, firefox, type Page } from 'playwright'
import { type PreviewServer, preview } from 'vite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Conditions } from '../../src/types.js'

/** Debian's browsers; Firefox is driven through WebDriver BiDi. */
const browsers = {
  chromium: () =>
    chromium.launch({
      executablePath: '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-quic'],
    }),
  firefox: () => firefox.launch({ executablePath: '/usr/bin/firefox-esr', channel: 'moz-firefox' }),
}

let server: PreviewServer

beforeAll(async () => {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  server = await preview({ root, logLevel: 'error', preview: { host: '127.0.0.1', port: 0 } })
})

afterAll(() => server.close())

describe.each(Object.entries(browsers))('in %s', (_, launch) => {
  let browser: Browser

  beforeAll(async () => {
    browser = await launch()
  })

  afterAll(() => browser.close())

  /** The page of the example, with the searches it sends. */
  const open = async (viewport = { width: 1_000, height: 700 }) => {
    const context = await browser.newContext({ viewport })
    const page = await context.newPage()
    const searches: string[] = []
    const batches: string[][] = []
    page.on('request', (request) => {
      const { pathname, searchParams } = new URL(request.url())
      if (pathname === '/api/search') searches.push(searchParams.get('q') ?? '')
      if (pathname === '/api/cities') batches.push(searchParams.get('ids')?.split(',') ?? [])
    })
    await page.goto(server.resolvedUrls?.local[0] ?? '')
    await page.locator('#query').focus()
    return { page, context, searches, batches, [Symbol.asyncDispose]: () => context.close() }
  }

  const make = (page: Page, conditions: Conditions) =>
    page.getByText(conditions, { exact: true }).click()

  const type = async (page: Page, text: string) => {
    await page.locator('#query').focus()
    await page.keyboard.press('End')
    await page.keyboard.insertText(text)
  }

  const names = (page: Page) => page.locator('#hits .name').allTextContents()
  const outcomes = (page: Page) =>
    page
      .locator('#timeline .life')
      .evaluateAll((lives) => lives.map((life) => life.getAttribute('data-outcome')))

  it('asks once for what is typed fast, and once for all that was found', async () => {
    await using it = await open()
    // Keys on the page's own clock, so that on a slow machine they are as fast.
    const press = (keys: string) =>
      it.page.evaluate(async (keys) => {
        for (const key of keys) {
          if (key === '<') document.execCommand('delete')
          else document.execCommand('insertText', false, key)
          await new Promise((resolve) => setTimeout(resolve, 10))
        }
      }, keys)
    await press('santa')
    await it.page.getByText('Bolivia').waitFor()
    expect(await names(it.page)).toHaveLength(10)
    expect(it.searches).toEqual(['santa'])
    expect(it.batches.map((ids) => ids.length)).toEqual([10])
    // What is known is not asked for again, neither queries nor cities.
    await press('<a')
    await expect.poll(() => it.page.locator('#hits').getAttribute('aria-busy')).toBe('false')
    expect(it.searches).toEqual(['santa'])
    await press('<')
    await expect.poll(() => it.searches).toEqual(['santa', 'sant'])
    await expect.poll(() => it.batches).toHaveLength(2)
    const ids = it.batches.flat()
    expect(ids).toHaveLength(new Set(ids).size)
  })

  it('shows the last answer, and on the timeline that the others were cancelled', async () => {
    await using it = await open()
    const aborted: string[] = []
    it.page.on('requestfailed', (request) => aborted.push(new URL(request.url()).search))
    await make(it.page, 'slow')
    for (const key of ['b', 'e', 'r']) {
      await type(it.page, key)
      await expect.poll(() => outcomes(it.page)).toContain('running')
    }
    await make(it.page, 'fine')
    await type(it.page, 'lin')
    await expect.poll(() => names(it.page)).toEqual(['Berlin'])
    await it.page.getByText('Germany').waitFor()
    expect(await outcomes(it.page)).toEqual(['cancelled', 'cancelled', 'cancelled', 'done', 'done'])
    expect(it.searches).toEqual(['b', 'be', 'ber', 'berlin'])
    expect(aborted).toEqual(['?q=b', '?q=be', '?q=ber'])
    // longer than the slow answers would have taken
    await it.page.waitForTimeout(1_500)
    expect(await names(it.page)).toEqual(['Berlin'])
  })

  it('says that no answer came in time, and tries again when asked to', async () => {
    await using it = await open()
    await make(it.page, 'hanging')
    await type(it.page, 'reykj')
    await it.page.getByText('No answer within 3 s').first().waitFor()
    expect(await it.page.locator('#problem').textContent()).toContain('No answer within 3 s')
    expect(await outcomes(it.page)).toEqual(['timeout'])
    await make(it.page, 'fine')
    await it.page.getByRole('button', { name: 'Try again' }).click()
    await expect.poll(() => names(it.page)).toEqual(['Reykjavík'])
    expect(await it.page.locator('#problem').isVisible()).toBe(false)
  })

  it('waits as a server asks that limits its rate', async () => {
    await using it = await open()
    await make(it.page, 'limited')
    for (const key of 'lond') {
      await type(it.page, key)
      await it.page.waitForTimeout(150)
    }
    await expect.poll(() => names(it.page), { timeout: 5_000 }).toContain('Londrina')
    expect(await it.page.locator('#timeline .pause').count()).toBeGreaterThan(0)
    expect(await it.page.locator('#problem').isVisible()).toBe(false)
  })

  it('says that the server fails', async () => {
    await using it = await open()
    await make(it.page, 'failing')
    await type(it.page, 'lima')
    await expect
      .poll(() => it.page.locator('#problem').textContent())
      .toContain('The server answered 503')
    expect(await outcomes(it.page)).toEqual(['failed'])
  })

  it('offline, shows what was known before, with its age', async () => {
    await using it = await open()
    const banner = it.page.locator('#banner')
    const status = it.page.locator('#status')
    await type(it.page, 'oslo')
    await expect.poll(() => names(it.page)).toEqual(['Oslo'])
    await expect.poll(() => status.textContent()).toBe('1 city, as of now')
    await expect.poll(() => status.textContent(), { timeout: 20_000 }).toMatch(/[6-9] s ago/)
    await it.context.setOffline(true)
    await expect.poll(() => banner.isVisible()).toBe(true)
    await type(it.page, 'x')
    await expect
      .poll(() => it.page.locator('#problem').textContent())
      .toContain('Nothing is known about “oslox” yet')
    await it.page.keyboard.press('Backspace')
    await expect.poll(() => names(it.page)).toEqual(['Oslo'])
    expect(await status.textContent()).toMatch(/^1 city, as of \d+ s ago$/)
    expect(await status.getAttribute('class')).toBe('stale')
    await it.context.setOffline(false)
    await expect.poll(() => status.getAttribute('class')).toBe('')
    expect(await banner.isVisible()).toBe(false)
    expect(await names(it.page)).toEqual(['Oslo'])
  })

  it('tells a server that cannot be reached from one that fails', async () => {
    await using it = await open()
    await make(it.page, 'cut')
    await type(it.page, 'lima')
    await expect.poll(() => it.page.locator('#banner').isVisible()).toBe(true)
    await make(it.page, 'fine')
    await it.page.locator('#banner').getByRole('button').click()
    await expect.poll(() => names(it.page)).toContain('Lima')
    expect(await it.page.locator('#banner').isVisible()).toBe(false)
  })

  it('fits a phone', async () => {
    await using it = await open({ width: 360, height: 700 })
    await type(it.page, 'san')
    await it.page.getByText('Chile').first().waitFor()
    const overflow = await it.page.evaluate(() => {
      const { scrollWidth, clientWidth } = document.documentElement
      return scrollWidth - clientWidth
    })
    expect(overflow).toBe(0)
  })
})
