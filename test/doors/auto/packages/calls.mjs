/** Calls what `CALLS` names, `way url` a line, and prints what came of each call. */
import { createRequire } from 'node:module'
import * as undici7 from 'undici7'
import * as undici8 from 'undici8'

// OpenTelemetry instruments what is required, unless it has a loader.
const http = createRequire(import.meta.url)('node:http')

const byHttp = (url, options = {}) =>
  new Promise((resolve, reject) => {
    http
      .get(url, options, (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (chunk) => (text += chunk))
        response.on('end', () => resolve(text))
      })
      .on('error', reject)
  })
const WAYS = {
  fetch: async (url) => (await fetch(url)).text(),
  undici7: async (url) => (await undici7.request(url)).body.text(),
  undici8: async (url) => (await undici8.request(url)).body.text(),
  http: (url) => byHttp(url),
  'http-list': (url) => byHttp(url, { headers: ['Host', new URL(url).host, 'X-Listed', 'yes'] }),
}
const results = []
for (const line of process.env.CALLS.split('\n')) {
  const [way, url] = line.split(' ')
  results.push(await WAYS[way](url).catch((error) => (error.cause ?? error).code ?? String(error)))
}
console.log(JSON.stringify(results))
