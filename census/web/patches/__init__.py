"""What is changed in Datasette and datasette-graphql; see `apply`."""
