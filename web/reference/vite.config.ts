import { defineConfig } from 'vite'

/** Builds the page at `/docs` into the folder that the Worker serves as static assets, beside the console. */
export default defineConfig({
  root: import.meta.dirname,
  build: {
    outDir: '../../dist/web',
    // The console is there already.
    emptyOutDir: false,
    // Every file with a hash in its name lies in one folder, which the Worker lets be kept for ever.
    assetsDir: 'reference',
    rolldownOptions: { input: 'web/reference/docs.html' },
    modulePreload: { polyfill: false },
    // The renderer is one file of this size, for this page alone.
    chunkSizeWarningLimit: 2000,
  },
})
