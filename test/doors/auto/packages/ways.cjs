/** Ways in which applications call a service. Each resolves with the id of the task that has answered. */
const http = require('node:http')

/** @param libraries as imported or required by the application */
exports.waysOf = function waysOf({ axios, got, smithy, protocol, undici6, undici7, undici8 }) {
  const agent = new http.Agent({ keepAlive: true })
  const handler = new smithy.NodeHttpHandler()
  const byHttp = (url, options) =>
    new Promise((resolve, reject) => {
      const request = http.request(url, options, (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (chunk) => (text += chunk))
        response.on('end', () => resolve(JSON.parse(text).task)).on('error', reject)
      })
      request.on('error', reject).end()
    })
  const byUndici = (undici) => async (url, method) => {
    const { body } = await undici.request(url, { method })
    return (await body.json()).task
  }
  return {
    fetch: async (url, method) => (await (await fetch(url, { method })).json()).task,
    undici6: byUndici(undici6),
    undici7: byUndici(undici7),
    undici8: byUndici(undici8),
    'undici8 fetch': async (url, method) => (await (await undici8.fetch(url, { method })).json()).task,
    http: (url, method) => byHttp(url, { method }),
    'http, own agent': (url, method) => byHttp(url, { method, agent }),
    'http, agent: false': (url, method) => byHttp(url, { method, agent: false }),
    axios: async (url, method) => (await axios.request({ url, method })).data.task,
    got: async (url, method) => (await got(url, { method, retry: { limit: 0 } }).json()).task,
    'AWS SDK (NodeHttpHandler)': async (url, method) => {
      const { protocol: scheme, hostname, port, pathname: path } = new URL(url)
      const request = new protocol.HttpRequest({
        ...{ protocol: scheme, hostname, port: Number(port), path, method },
        headers: { host: `${hostname}:${port}` },
      })
      const { response } = await handler.handle(request)
      let text = ''
      for await (const chunk of response.body) text += chunk
      return JSON.parse(text).task
    },
  }
}
