import { define, type Command } from './command.ts'
import { json } from './options/client-flags.ts'
import { number } from './options/option.ts'

const whoami: Command = define({
  operands: { name: '', min: 0, max: 0 },
  description: `Shows the task that this process runs in, as the task metadata endpoint reports it: zone, addresses, port and
containers. Also who owns undici's global dispatchers in a process that starts with this environment: NODE_OPTIONS with
--import, or a proxy, shows there. Exits with 1 where there is no task metadata, as outside ECS.`,
  options: {
    timeout: number('MS', 'for the task metadata endpoint; it is asked twice [1000]', {
      default: 1_000,
      min: 1,
      max: 600_000,
    }),
    json,
  },
  examples: [
    { line: 'onehop whoami', does: 'in a container, e.g. by ECS Exec' },
    { line: 'onehop whoami --json | jq -r .task.zone', does: 'for programs' },
  ],
  async run({ options }, io) {
    const { whoAmI } = await import('./whoami/who-am-i.ts')
    return whoAmI(options, io)
  },
})

export default whoami
