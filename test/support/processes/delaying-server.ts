/**
 * An HTTP server in a process of its own that answers after a random time: 5 ms and more, exponentially, one in fifty 40 ms
 * later. Prints its port.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { seededRandom } from '../../../src/core/seeded-random.ts'

const random = seededRandom(1)

const server = createServer({ keepAliveTimeout: 60_000 }, (_request, response) => {
  const ms = 5 - 10 * Math.log(1 - random.next()) + (random.next() < 0.02 ? 40 : 0)
  setTimeout(() => response.end('fine'), ms)
})
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
process.on('disconnect', () => process.exit())
