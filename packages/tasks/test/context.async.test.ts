import { enableAsyncContext } from '@uno-async/core'
import { beforeAll, describe } from 'vitest'
import { contextContract } from './context.contract.js'

beforeAll(() => void enableAsyncContext())
describe('with async context', () => contextContract(true))
