/** A whole service. `test/lifecycle/service-example.test.ts` runs it as two services; one calls the other. */
const local = { options: JSON.parse(process.env['LOCAL_OPTIONS'] ?? '{}') as object }

// #region readme
import { createServer } from 'node:http'
import { createClient } from 'onehop'
import { gracefulShutdown, register } from 'onehop/ecs'

const { CLOUD_MAP_SERVICE = '', CALLS, HOST = '0.0.0.0', PORT = '8080' } = process.env
const client = createClient({ namespaces: ['shop.local'], ...local.options })

async function answer(): Promise<object> {
  if (CALLS === undefined) return { order: 42 }
  const response = await client.fetch(`http://${CALLS}/v1/orders/42`)
  return { paid: true, ...((await response.json()) as object) }
}

const server = createServer((request, response) => {
  if (request.url === '/health') {
    response.end('ok')
    return
  }
  answer().then(
    (body) => response.end(JSON.stringify(body)),
    (error: Error) => response.writeHead(502).end(error.message),
  )
})

// Registers once the server listens and /health answers with 200.
const registration = register({
  services: { service: CLOUD_MAP_SERVICE, port: server },
  ready: '/health',
})
registration.registered.then(
  () => console.log('registered'),
  (error: Error) => console.error(error.message),
)

// At SIGTERM: deregisters, serves on until no caller knows the task, finishes, ends.
gracefulShutdown({ servers: server, registration, onClose: () => client.close() })

server.listen(Number(PORT), HOST)
// #endregion
