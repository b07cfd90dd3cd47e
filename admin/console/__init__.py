"""The console: the admin server's pages for people, over the resources that the API has too."""
