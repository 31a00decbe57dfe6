import { local } from './world.ts'

// #region readme
import { createClient } from 'onehop'
import { lookupOf } from 'onehop/net'
import { createClient as createRedis } from 'redis'

const client = createClient({ namespaces: ['shop.local'], ...local.options })
const redis = createRedis({
  socket: {
    host: 'cache.shop.local',
    port: Number(process.env['REDIS_PORT'] ?? 6379),
    lookup: lookupOf(client),
  },
  // The driver would resolve the name for them by itself, without the lookup.
  maintNotifications: 'disabled',
})
redis.on('error', (error) => console.error(error.message))

await redis.connect()
await redis.set('greeting', 'hello')
console.log(await redis.get('greeting'))
await redis.close()
await client.close()
// #endregion
