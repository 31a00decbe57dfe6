/** Listens with the shortest queue that the kernel allows, tells its parent, and waits to be stopped. */
import { createServer } from 'node:net'

const [address = '127.0.0.1', port = '0'] = process.argv.slice(2)
const server = createServer()
server.listen({ host: address, port: Number(port), backlog: 1 }, () => process.send?.('listening'))
process.on('disconnect', () => process.exit(0))
