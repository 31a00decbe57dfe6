/** All libraries whose recipes are tested. They are not installed with the project: `load` has them. */
import type { Library } from '../../recipes/library.ts'
import { AGENTS } from './agents.ts'
import { FETCHING } from './fetching.ts'
import { RPC } from './rpc.ts'

export const LIBRARIES: readonly Library[] = [...FETCHING, ...RPC, ...AGENTS]
