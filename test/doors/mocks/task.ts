/** One task that answers `task` to everything: a server on loopback. */
import type { AddressInfo } from 'node:net'

interface Task {
  /** With its port. */
  readonly address: string
  readonly port: number
  close(): Promise<void>
}

export async function startTask(): Promise<Task> {
  const { createServer } = process.getBuiltinModule('node:http')
  const server = createServer((request, response) => {
    request.resume().on('end', () => response.end('task'))
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    address: `127.0.0.1:${port}`,
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
