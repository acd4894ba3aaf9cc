import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/main.ts', 'src/postgres-process.ts', 'src/three.ts'],
  format: 'esm',
  target: 'node20',
  clean: true,
})
