// The option that gives modules of custom layers a permission.

import { accept } from '../../base/values.ts';
import type { AllowModules } from './modules.ts';

/** The option that gives permission. */
export const allowModulesOption = accept<AllowModules>(
  'true, or a list of file: URLs, paths and package names',
  (given) => {
    if (!Array.isArray(given)) return given === true;
    return Array.from(given).every((name) => typeof name === 'string');
  },
).exactOptional();
