// A module that cannot be loaded.
throw new SyntaxError('half a module');
