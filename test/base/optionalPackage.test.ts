import { describe, expect, it } from 'vitest';
import { loadOptional } from '../../src/base/optionalPackage.ts';

describe('loadOptional', () => {
  it('loads what is installed', () => {
    expect(loadOptional('sharp', 'a test')).toBeTypeOf('function');
  });

  it('says what to install if it is missing', () => {
    expect(() => loadOptional('syncbn-no-such-package', 'A test')).toThrow(
      'A test needs the package syncbn-no-such-package, which is not installed. ' +
        'Try: npm install syncbn-no-such-package.',
    );
  });
});
