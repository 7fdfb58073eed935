// Usage: node bundle.mjs <file>: write what the page loads, as a production build is made.
import { build } from 'esbuild'
import { fileURLToPath } from 'node:url'

await build({
  entryPoints: [fileURLToPath(new URL('browser.mjs', import.meta.url))],
  outfile: process.argv[2],
  bundle: true,
  define: { 'process.env.NODE_ENV': '"production"', 'process.env': '{}', global: 'window' },
  logLevel: 'error',
})
