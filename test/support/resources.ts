import { afterEach } from 'vitest'
import { startServers, type TestServer } from './servers.ts'

export interface Resources {
  /** Has it disposed of when the test is over, after what was kept later. */
  keep<Kind extends AsyncDisposable>(resource: Kind): Kind
  /** Servers that are kept. */
  servers(count: number, answer?: TestServer['answer']): Promise<TestServer[]>
}

/** What the tests of one file open, and nobody has to close. */
export function resources(): Resources {
  const open: AsyncDisposable[] = []
  afterEach(async () => {
    for (const resource of open.splice(0).toReversed()) await resource[Symbol.asyncDispose]()
  })
  const keep = <Kind extends AsyncDisposable>(resource: Kind): Kind => {
    open.push(resource)
    return resource
  }
  return { keep, servers: async (count, answer) => (await startServers(count, answer)).map(keep) }
}
