import type { Command } from './command.ts'

/** A command as the list of all of them shows it, before its module is loaded. */
export interface Listed {
  readonly summary: string
  readonly load: () => Promise<{ readonly default: Command }>
}

/** All commands, in the order of the help. Their modules load the library, so they are loaded one at a time. */
export const commands: Readonly<Record<string, Listed>> = {
  resolve: {
    summary: 'the endpoints of a service: by DNS and by the API, side by side',
    load: () => import('./resolve.ts'),
  },
  watch: { summary: 'the endpoints of a service, as they change', load: () => import('./watch.ts') },
  whoami: {
    summary: 'the task that this process runs in, and its global dispatcher',
    load: () => import('./whoami.ts'),
  },
  call: { summary: 'one request, with each of its attempts', load: () => import('./call.ts') },
  doctor: {
    summary: 'what is wrong with the path to a service, and what to do about it',
    load: () => import('./doctor.ts'),
  },
  bench: {
    summary: 'the direct path against the load balancer: latency and cost',
    load: () => import('./bench.ts'),
  },
}
