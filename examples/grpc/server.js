import grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { gracefulShutdown } from 'onehop/ecs'

const { HOST = '0.0.0.0', PORT = '50051' } = process.env
const { shop } = grpc.loadPackageDefinition(loadSync(new URL('orders.proto', import.meta.url).pathname))

// While the task shuts down, each answer sends its caller to other tasks.
const sayDraining = (_method, call) =>
  new grpc.ServerInterceptingCall(call, {
    sendMetadata(metadata, next) {
      if (!shutdown.ready) metadata.set('x-onehop-draining', '1')
      next(metadata)
    },
  })

const server = new grpc.Server({ interceptors: [sayDraining] })
server.addService(shop.Orders.service, {
  Get: ({ request }, answer) => answer(null, { id: request.id, task: HOST }),
})

// At SIGTERM: serves on until it is deregistered and no caller knows it, then ends with its last call.
const shutdown = gracefulShutdown({
  servers: {
    close: (cutting) =>
      new Promise((resolve) => {
        cutting.addEventListener('abort', () => server.forceShutdown())
        server.tryShutdown(resolve)
      }),
  },
})

server.bindAsync(`${HOST}:${PORT}`, grpc.ServerCredentials.createInsecure(), (error) => {
  if (error) throw error
  console.log('listening')
})
