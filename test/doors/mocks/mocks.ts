/** Mocks of others, each as its users start it: it answers `mock` to `/mocked`, and lets everything else pass. */
import { load } from './packages/load.ts'

export interface Running {
  /** Of the requests that it answered. */
  readonly urls: string[]
  stop(): void
}

/** @param task its address, with the port */
export type Mock = (task: string) => Promise<Running>

interface Msw {
  readonly http: { all(path: string, resolver: (info: { request: Request }) => Response): unknown }
}
interface MswNode {
  setupServer(...handlers: unknown[]): {
    listen(options: { onUnhandledRequest: string }): void
    close(): void
  }
}
interface Intercepted {
  readonly request: Request
  readonly controller: { respondWith(response: Response): void }
}
interface Interceptor {
  apply(): void
  dispose(): void
  on(event: 'request', listener: (event: Intercepted) => void): void
}
type Reply = (status: number, answer: () => string) => void
interface Nock {
  (
    base: string,
    options: { allowUnmocked: boolean },
  ): { persist(): Record<'get' | 'post', (path: string) => { reply: Reply }> }
  enableNetConnect(): void
  restore(): void
}

function msw(name: string): Mock {
  return async () => {
    const urls: string[] = []
    const { http } = await load<Msw>(name)
    const { setupServer } = await load<MswNode>(`${name}/node`)
    const server = setupServer(
      http.all('*/mocked', ({ request }) => {
        urls.push(request.url)
        return new Response('mock')
      }),
    )
    server.listen({ onUnhandledRequest: 'bypass' })
    return { urls, stop: () => server.close() }
  }
}

function nock(name: string): Mock {
  return async (task) => {
    const urls: string[] = []
    const { default: mock } = await load<{ default: Nock }>(name)
    for (const base of [
      'http://orders.shop.local',
      `http://${task}`,
      `http://${task.replace('127.0.0.1', 'localhost')}`,
    ]) {
      const scope = mock(base, { allowUnmocked: true }).persist()
      for (const method of ['get', 'post'] as const)
        scope[method]('/mocked').reply(200, () => {
          urls.push(`${base}/mocked`)
          return 'mock'
        })
    }
    mock.enableNetConnect()
    return { urls, stop: () => mock.restore() }
  }
}

async function interceptors(): Promise<Running> {
  const urls: string[] = []
  const { BatchInterceptor } = await load<{
    BatchInterceptor: new (options: { name: string; interceptors: unknown }) => Interceptor
  }>('@mswjs/interceptors')
  const { default: all } = await load<{ default: unknown }>('@mswjs/interceptors/presets/node')
  const interceptor = new BatchInterceptor({ name: 'all', interceptors: all })
  interceptor.apply()
  interceptor.on('request', ({ request, controller }) => {
    if (!request.url.endsWith('/mocked')) return
    urls.push(request.url)
    controller.respondWith(new Response('mock'))
  })
  return { urls, stop: () => interceptor.dispose() }
}

/** undici's MockAgent as the global dispatcher, with connections for what it has no answer for. */
async function mockAgent(): Promise<Running> {
  const urls: string[] = []
  const { getGlobalDispatcher, MockAgent, setGlobalDispatcher } = await import('undici')
  const before = getGlobalDispatcher()
  const agent = new MockAgent()
  agent.enableNetConnect()
  for (const method of ['GET', 'POST'])
    agent
      .get(/.*/)
      .intercept({ path: '/mocked', method })
      .reply(200, ({ origin, path }) => {
        urls.push(`${String(origin)}${path}`)
        return 'mock'
      })
      .persist()
  setGlobalDispatcher(agent)
  return { urls, stop: () => setGlobalDispatcher(before) }
}

export const MOCKS: Readonly<Record<string, Mock>> = {
  'MockAgent, global': mockAgent,
  'msw 2': msw('msw-2'),
  'msw 3': msw('msw-3'),
  'nock 14': nock('nock'),
  'nock 15': nock('nock-15'),
  '@mswjs/interceptors': interceptors,
}
