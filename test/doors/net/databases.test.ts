import { DATABASES } from './databases.ts'
import { testDrivers } from './scenario.ts'

testDrivers(DATABASES)
