import { CONNECTIONS } from './connections.ts'
import { testDrivers } from './scenario.ts'

testDrivers(CONNECTIONS)
