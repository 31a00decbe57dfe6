/** What a task does at SIGTERM: ours, AWS's advice, and the packages that others use. */
import type { Server } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { gracefulShutdown, type Registration, type ShutdownOptions } from '../../../src/ecs/index.ts'
import { load } from '../packages/load.ts'
import type { Service } from './servers.ts'

/** Ways to leave, by the names that the peers table has for them. */
export type Way =
  | 'onehop'
  | 'nothing'
  | 'server.close()'
  | 'close-with-grace'
  | 'http-terminator'
  | 'lightship'
  | 'terminus'
  | 'fastify.close()'

/** Times of ours, with which the test scales TTL and propagation down. */
export type Times = Pick<
  ShutdownOptions,
  'stopTimeoutMs' | 'ttlMs' | 'propagationMs' | 'quietMs' | 'finishMs' | 'closeMs' | 'marginMs' | 'exit'
>

const closed = (server: Service['server']): Promise<unknown> =>
  new Promise((resolve) => void server.close(resolve))

/** Before it listens, or after, as each package wants it. */
export const WAYS: Readonly<
  Record<Way, (service: Service, times: Partial<Times>, registration?: Registration) => unknown>
> = {
  onehop: ({ servers, close }, times, registration) =>
    gracefulShutdown({
      ...times,
      ...{ servers, registration },
      onClose: async () => {
        await close?.()
        console.log('closed')
      },
    }),

  nothing: () => undefined,

  // AWS, "Gracefully shutting down applications": what its sample for Node does.
  'server.close()': ({ server }) => process.on('SIGTERM', () => server.close()),

  async 'close-with-grace'({ server, close }) {
    const { default: closeWithGrace } = await load<{ default: (options: object, fn: () => unknown) => void }>(
      'close-with-grace',
    )
    closeWithGrace({ delay: 10_000 }, () => close?.() ?? closed(server))
  },

  async 'http-terminator'({ server }) {
    const { createHttpTerminator } = await load<{
      createHttpTerminator(options: object): { terminate(): Promise<void> }
    }>('http-terminator')
    const terminator = createHttpTerminator({ server })
    process.on('SIGTERM', () => void terminator.terminate().then(() => process.exit(0)))
  },

  async lightship({ server }) {
    const { createLightship } = await load<{
      createLightship(
        options: object,
      ): Promise<{ registerShutdownHandler(fn: () => unknown): void; signalReady(): void }>
    }>('lightship')
    // Its own health server on any port. Its delay before shutdown is meant for Kubernetes, and off elsewhere.
    const lightship = await createLightship({ port: 0 })
    lightship.registerShutdownHandler(() => closed(server))
    lightship.signalReady()
  },

  async terminus({ server }) {
    const { default: terminus } = await load<{
      default: { createTerminus(server: Server, options: object): void }
    }>('@godaddy/terminus')
    // Its README's advice: a delay in beforeShutdown, for load balancers to notice.
    terminus.createTerminus(server as Server, { timeout: 5_000, beforeShutdown: () => delay(5_000) })
  },

  'fastify.close()': ({ close }) => process.on('SIGTERM', () => void close?.().then(() => process.exit(0))),
}
