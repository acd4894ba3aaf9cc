// For runtimes with a command line
import { smoke } from './smoke.mjs'

await smoke(console.log)
