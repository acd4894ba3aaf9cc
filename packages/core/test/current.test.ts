import { currentContract } from './current.shared.js'

currentContract(false)
