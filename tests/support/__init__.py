"""What tests stand on: tiny models, made-up poems, projects filled up to a stage, a browser."""
