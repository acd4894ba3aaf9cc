import { describe } from 'vitest'
import { contextContract } from './context.contract.js'

describe('without async context', () => contextContract(false))
