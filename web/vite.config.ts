import { argv } from 'node:process'
import { defineConfig } from 'vite'

/** Builds the console into the folder that the Worker serves as static assets. */
export default defineConfig({
  root: import.meta.dirname,
  build: {
    outDir: '../dist/web',
    // With `--watch` the reference stays, which is built into the same folder after this.
    emptyOutDir: !argv.includes('--watch'),
    // Every file with a hash in its name lies in one folder, which the Worker lets be kept for ever.
    assetsDir: 'console',
    // The page's policy allows no `data:` address.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
})
