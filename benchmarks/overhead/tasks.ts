/** Four tasks in a separate process, so that their CPU time does not count for the client. Prints the port. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const BODY = JSON.stringify({ id: 42, state: 'shipped', lines: ['a', 'b', 'c'] })

export const ADDRESSES: readonly string[] = ['127.0.1.1', '127.0.1.2', '127.0.1.3', '127.0.1.4']

if (import.meta.main) {
  let port = 0
  for (const address of ADDRESSES) {
    const server = createServer({ keepAliveTimeout: 60_000 }, (_request, response) => {
      response.setHeader('content-type', 'application/json')
      response.end(BODY)
    })
    await new Promise<void>((resolve) => server.listen(port, address, resolve))
    port = (server.address() as AddressInfo).port
  }
  process.send?.(port)
  process.on('disconnect', () => process.exit())
}
