import { local } from './world.ts'

// #region readme
import { MongoClient } from 'mongodb'
import { createClient } from 'onehop'
import { lookupOf } from 'onehop/net'

const client = createClient({ namespaces: ['shop.local'], ...local.options })
const port = process.env['MONGO_PORT'] ?? '27017'
const mongo = new MongoClient(`mongodb://docs.shop.local:${port}/?directConnection=true`, {
  lookup: lookupOf(client),
})

console.log(await mongo.db('shop').command({ ping: 1 }))
await mongo.close()
await client.close()
// #endregion
