import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/main.ts', 'src/three.ts', 'src/database/postgres-process.ts'],
  format: 'esm',
  target: 'node20',
  clean: true,
})
