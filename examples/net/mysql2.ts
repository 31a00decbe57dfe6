import { local } from './world.ts'

// #region readme
import { createPool } from 'mysql2/promise'
import { createClient } from 'onehop'
import { connect } from 'onehop/net'

const client = createClient({ namespaces: ['shop.local'], ...local.options })
const pool = createPool({
  user: 'root',
  stream: () => connect(client, { host: 'db.shop.local', port: Number(process.env['MYSQL_PORT'] ?? 3306) }),
})

const [rows] = await pool.query('select @@bind_address as server')
console.log(rows)
await pool.end()
await client.close()
// #endregion
