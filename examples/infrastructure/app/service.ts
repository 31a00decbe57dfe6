/** A service: registers itself in CLOUD_MAP_SERVICE, if that is set, serves, and leaves without losing a call. */
import { createServer } from 'node:http'
import { gracefulShutdown, register, type RegistrationError } from 'onehop/ecs'

const { CLOUD_MAP_SERVICE: service, PORT = '8080', HOSTNAME: task } = process.env

const server = createServer((request, response) => {
  // For the health checks of the container and the balancer, and for register().
  if (request.url === '/ready') return response.end()
  response.setHeader('content-type', 'application/json')
  return response.end(JSON.stringify({ path: request.url, task }))
})
// Longer than the idle timeout of the balancer, 60 s. Otherwise it uses connections that are being closed.
server.keepAliveTimeout = 65_000

const registration = service ? register({ services: { service, port: server }, ready: '/ready' }) : undefined
gracefulShutdown({ servers: server, registration })
server.listen(Number(PORT))

registration?.registered.catch((error: RegistrationError) => {
  // SIGTERM came first: gracefulShutdown() deregisters.
  if (error.failure === 'cancelled') return
  // Callers cannot find this task: ECS should start another one.
  console.error(error)
  process.exit(1)
})
