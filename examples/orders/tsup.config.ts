import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/main.ts', 'src/postgres-process.ts'],
  format: 'esm',
  target: 'node20',
  clean: true,
})
