/**
 * A process in which the first read of the AWS SDK fails. Prints what lookups by the API come to, until one
 * succeeds or five seconds are over.
 */
import { registerHooks } from 'node:module'
import { setTimeout } from 'node:timers/promises'
import { createClient, type ClientOptions } from 'onehop'

let refusals = 1
registerHooks({
  load(url, context, next) {
    if (url.includes('client-servicediscovery') && refusals-- > 0)
      throw Object.assign(new Error('too many open files'), { code: 'EMFILE' })
    return next(url, context)
  },
})

const client = createClient(JSON.parse(process.argv[2] ?? '') as ClientOptions)
const found = new Set<string>()
for (let left = 50; left > 0 && !found.has('cloud-map'); left--) {
  found.add(
    await client.resolve('orders.shop.local').then(
      ({ source }) => source,
      (error: Error) => error.message,
    ),
  )
  // A lookup that failed is repeated after a pause.
  await setTimeout(100)
}
console.log(JSON.stringify([...found]))
await client.close()
