import { createSocket } from 'node:dgram'
import { canListenOn, randomPort } from '../../src/testing/ports.ts'

/** A port that is free on all addresses of this machine, over TCP and UDP. Another test may take it first. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomPort()
    if ((await canListenOn('0.0.0.0', port)) && (await canBindUdp(port))) return port
  }
}

function canBindUdp(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4')
    socket.once('error', () => {
      socket.close()
      resolve(false)
    })
    socket.bind(port, () => socket.close(() => resolve(true)))
  })
}
