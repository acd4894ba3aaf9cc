import type { Config } from '../config.js'
export async function tour(_config: Config): Promise<void> {}
