import { defineConfig } from 'tsup'

export default defineConfig({
  entry: {
    main: 'src/main.ts',
    'postgres-process': 'src/postgres-process.ts',
    tour: 'tour/tour.ts',
    three: 'tour/three.ts',
  },
  format: 'esm',
  target: 'node20',
  clean: true,
})
