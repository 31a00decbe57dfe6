import { local } from './world.ts'

// #region readme
import pg from 'pg'
import { createClient } from 'onehop'
import { connect } from 'onehop/net'

const client = createClient({ namespaces: ['shop.local'], ...local.options })
const pool = new pg.Pool({
  user: 'postgres',
  database: 'postgres',
  stream: () => connect(client, { host: 'db.shop.local', port: Number(process.env['PGPORT'] ?? 5432) }),
})
pool.on('error', (error) => console.error('an idle connection broke:', error.message))

const { rows } = await pool.query('select host(inet_server_addr()) as server')
console.log(rows)
await pool.end()
await client.close()
// #endregion
