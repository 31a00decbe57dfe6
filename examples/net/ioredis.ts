import { local } from './world.ts'

// #region readme
import type { Socket } from 'node:net'
import { AbstractConnector, Redis } from 'ioredis'
import { createClient } from 'onehop'
import { connect } from 'onehop/net'

const client = createClient({ namespaces: ['shop.local'], ...local.options })

const port = Number(process.env['REDIS_PORT'] ?? 6379)

class Connector extends AbstractConnector {
  constructor() {
    // For `disconnect`: a socket that is still open after this many ms is destroyed.
    super(2_000)
  }
  async connect(): Promise<Socket> {
    this.stream = connect(client, { host: 'cache.shop.local', port })
    return this.stream
  }
}

const redis = new Redis({ Connector })
redis.on('error', (error) => console.error(error.message))

await redis.set('greeting', 'hello')
console.log(await redis.get('greeting'))
await redis.quit()
await client.close()
// #endregion
