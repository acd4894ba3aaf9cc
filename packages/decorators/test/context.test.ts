import { describe } from 'vitest'
import { contextContract } from './context.contract.ts'

describe('without async context', () => contextContract(false))
