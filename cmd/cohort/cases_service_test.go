package main

var serviceCases []fieldCase
