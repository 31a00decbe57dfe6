import { addressGuard } from '../../../discovery/guard/address-guard.ts'
import { placeOf } from '../../endpoints/compare.ts'
import { listed } from '../../terminal/counted.ts'
import { fine, problem, unchecked, warning, type HostCheck } from '../check.ts'

/** Addresses that a client never connects to. */
export const addresses: HostCheck = {
  title: 'addresses',
  async run({ look, options }) {
    const { rows } = await look()
    const guard = addressGuard({ allowLoopback: options['allow-loopback'] })
    const refused = rows.flatMap((row) => {
      const reason = guard.check(row.address)
      return reason === undefined ? [] : [{ row, reason }]
    })
    if (refused.length === 0)
      return rows.length === 0 ? unchecked('none are known') : fine('all may be called')
    const isAll = refused.length === rows.length
    const finding = (isAll ? problem : warning)('address-refused', {
      what: `${listed(refused.map(({ row, reason }) => `${placeOf(row)} (${reason})`))}: never connected to`,
      cause:
        'A task has registered an address of its own host, such as 127.0.0.1, instead of that of its network interface.',
      remedy:
        'Register the IPv4Addresses of the task metadata, and remove these instances. In tests: --allow-loopback.',
    })
    return finding
  },
}
