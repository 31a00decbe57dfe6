/** A script that meets what discovery must survive, and tells that it did by its output and its exit code. */
import { createClient, type Resolver } from 'onehop'

const [, , what = '', argument = ''] = process.argv
const options = { namespaces: ['shop.local'], allowLoopback: true } as const

const dead: Resolver = {
  // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- what it is that a resolver rejects with is the point
  resolve: () => Promise.reject(Object.create(null)),
  close: () => Promise.reject(new Error('the resolver fails to close')),
}

async function resolveBy(discovery: Resolver | 'dns', servers?: readonly string[]): Promise<void> {
  const client = createClient({
    ...options,
    discovery,
    dns: { ...(servers !== undefined && { servers }), timeoutMs: 20_000 },
  })
  await client.resolve('orders.shop.local').then(
    ({ endpoints }) => console.log(endpoints.map(({ address }) => address).join()),
    (error: Error) => console.log(error.message),
  )
  // Nobody waits for these: they must not be what ends the process.
  void client.close({ withinMs: 0 })
  void client.close()
}

if (what === 'dns') await resolveBy('dns', argument.split(','))
else await resolveBy(dead)
await new Promise((resolve) => setTimeout(resolve, 100))
console.log('alive')
