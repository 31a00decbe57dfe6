/** An HTTP server in a process of its own, which stands still for 200 ms every four seconds. Prints its port. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const EVERY_MS = 4_000
const STALL_MS = 200

const server = createServer((_request, response) => response.end('fine'))
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
const cell = new Int32Array(new SharedArrayBuffer(4))
setInterval(() => Atomics.wait(cell, 0, 0, STALL_MS), EVERY_MS)
process.on('disconnect', () => process.exit())
