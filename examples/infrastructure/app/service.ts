/** A service: registers itself in CLOUD_MAP_SERVICE, if that is set, serves, and leaves without losing a call. */
import { createServer } from 'node:http'
import { gracefulShutdown, register, type RegistrationError } from 'onehop/ecs'

const { CLOUD_MAP_SERVICE: service, PORT = '8080', HOSTNAME: task } = process.env

const server = createServer((request, response) => {
  // The container's health check, the balancer's, and that of register().
  if (request.url === '/ready') return response.end()
  response.setHeader('content-type', 'application/json')
  return response.end(JSON.stringify({ path: request.url, task }))
})
// Longer than the idle timeout of the balancer, 60 s: or it uses a connection that is being closed.
server.keepAliveTimeout = 65_000

const registration = service ? register({ services: { service, port: server }, ready: '/ready' }) : undefined
gracefulShutdown({ servers: server, registration })
server.listen(Number(PORT))

registration?.registered.catch((error: RegistrationError) => {
  // SIGTERM came first: gracefulShutdown() takes back what was sent.
  if (error.failure === 'cancelled') return
  // A task that callers cannot find is of no use.
  console.error(error)
  process.exit(1)
})
