import { awaitSettled, bareMap, promiseAll } from '../floor.mjs'

export const name = 'The floor'
export const unit = 'ns'
export const subjects = { ...awaitSettled, ...promiseAll, ...bareMap }
