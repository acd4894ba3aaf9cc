import { defineConfig, type PreviewServer, type ViteDevServer } from 'vite'
import { createApi } from './server/api.js'

/** The server of the example, in front of the pages that `vite` and `vite preview` serve. */
const serve = ({ middlewares, config }: ViteDevServer | PreviewServer) => {
  middlewares.use('/api', createApi(config.logger.info))
}

export default defineConfig({
  plugins: [{ name: 'api', configureServer: serve, configurePreviewServer: serve }],
  build: {
    rolldownOptions: {
      output: {
        // What the packages weigh can be read off the build, and test/size.test.ts holds them to it.
        codeSplitting: { groups: [{ name: 'uno-async', test: /packages[\\/][a-z]+[\\/]dist/ }] },
      },
    },
  },
})
