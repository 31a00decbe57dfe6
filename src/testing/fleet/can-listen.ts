import { createServer } from 'node:net'

/** @param port 0 for any */
export function canListenOn(address: string, port = 0): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, address, () => server.close(() => resolve(true)))
  })
}
