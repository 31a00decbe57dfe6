/** A task of the example. */
import { createServer } from 'node:http2'
import { connectNodeAdapter } from '@connectrpc/connect-node'
import { Orders } from './orders_pb.js'

const { HOST = '0.0.0.0', PORT = '50051' } = process.env

function routes(router) {
  router.service(Orders, {
    get: ({ id }) => ({ id, task: HOST }),
    async *watch({ id }) {
      for (let count = 0; count < 3; count++) yield { id: `${id}-${count}`, task: HOST }
    },
  })
}

createServer(connectNodeAdapter({ routes })).listen(Number(PORT), HOST, () => console.log('listening'))
